from mvm import Sandbox

with Sandbox.create("python", workload_id="job", ttl_seconds=600) as sandbox:
    sandbox.files.write("/home/user/main.py", "print(6*7)\n")
    sandbox.commands.run(["python3", "main.py"], timeout_seconds=30, check=True)
