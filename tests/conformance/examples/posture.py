from mvm import NetworkPolicy, Sandbox, SecretRef

with Sandbox.create(
    image="python",
    network=NetworkPolicy.deny_by_default().allow_https("api.openai.com"),
    secrets={"OPENAI_API_KEY": SecretRef("openai-api-key")},
    ttl_seconds=1800,
) as sandbox:
    result = sandbox.commands.run(["python", "/work/tool.py"], timeout_seconds=30)
    print(result.stdout)
