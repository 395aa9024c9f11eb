"""Events in, decisions out: pipeline, worker, queries, wiring."""
