from mvm import Sandbox, NetworkPolicy, SecretRef

sandbox = Sandbox.create(
    image="python",
    network=NetworkPolicy.deny_by_default().allow_https("api.openai.com"),
    secrets={"OPENAI_API_KEY": SecretRef("openai-api-key")},
    cpu=2,
    memory_mb=2048,
)
try:
    result = sandbox.commands.run(["python", "main.py"], timeout_seconds=30)
    print(result.stdout)
    snapshot = sandbox.snapshot(name="after-first-run")
finally:
    sandbox.stop()
