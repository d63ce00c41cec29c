import asyncio

from mvm import AsyncSandbox


async def main() -> None:
    sandbox = await AsyncSandbox.create()
    await sandbox.commands.run(["python3", "-c", "print(6*7)"])


asyncio.run(main())
