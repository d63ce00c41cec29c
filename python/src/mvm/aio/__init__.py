"""The client, written once: ``mvm.sync`` is made from this package by ``scripts/make_sync.py``."""
