"""Whose data is in this text, and may the reader see it?"""
