"""What a model state is made of, what personal data it holds, which one is safe to restore. No I/O."""
