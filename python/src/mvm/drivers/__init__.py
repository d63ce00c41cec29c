"""The two ways to wait. Everything above is written once, in ``mvm.aio``; ``mvm.sync`` is generated from it."""
