"""Mechanism parameters: what they are (``model``) and readable constructors for them, one file a family."""
