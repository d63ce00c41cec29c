from mvm import Mount, NetworkPolicy, Sandbox, SecretRef

with Sandbox.create(
    "python",
    workload_id="service",
    name="web-1",
    profile="standard",
    cpu=2,
    memory_mb=1024,
    disk_mb=4096,
    ttl_seconds=600,
    idle_seconds=300,
    env={"MODE": "weekly", "EMPTY": ""},
    secrets={"API_KEY": SecretRef("api-key", hosts=["API.example.com"], header="Authorization")},
    network=NetworkPolicy.deny_by_default()
    .allow_https("api.example.com")
    .allow_https("*.Example.org", 8443)
    .allow_http("example.com")
    .allow_tcp("192.0.2.7", 5432)
    .allow_https("api.example.com"),
    tags={"team": "zürich 🏔", "a": ""},
    backend="qemu",
    accel="auto",
    mounts=[Mount("/srv/data", "/data")],
) as sandbox:
    sandbox.files.write("/home/user/server.py", "print('served')\n")
    sandbox.commands.start(["python3", "server.py"], env={"PORT": "8000"}, stdin="none")
    port = sandbox.ports.forward(host_port=18_080, guest_port=8000, host_address="127.0.0.1")
    sandbox.ports.forward(host_port=0, guest_port=8001)
    print("the service will be at", port.url)
    port.close()
