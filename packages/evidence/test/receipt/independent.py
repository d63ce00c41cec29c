"""Verifies receipts with securesystemslib, which knows nothing of mvm: one envelope a line on stdin, one verdict a line."""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

pem, keyid = open(sys.argv[1], "rb").read(), sys.argv[2]
key = SSlibKey.from_crypto(load_pem_public_key(pem), keyid=keyid)

for line in sys.stdin:
    try:
        envelope = Envelope.from_dict(json.loads(line))
        accepted = envelope.verify([key], 1)
        statement = json.loads(envelope.payload)
        print(json.dumps({"ok": True, "keys": sorted(accepted), "run_id": statement["predicate"]["run_id"]}))
    except Exception as error:
        print(json.dumps({"ok": False, "error": type(error).__name__}))
