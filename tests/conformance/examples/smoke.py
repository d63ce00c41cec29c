import mvm

with mvm.Sandbox.create("python", workload_id="agent-tool") as sandbox:
    sandbox.files.write("/app/main.py", "print('hello from mvm')")
    sandbox.commands.start(["python", "/app/main.py"])
