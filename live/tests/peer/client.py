"""Wokwi's own Python client at the peer: it greets the firmware over its serial line, and looks at the clock.

Called with the peer's address, a diagram, a firmware and the greeting in hexadecimal; prints what it saw as JSON.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from wokwi_client import WokwiClient
from wokwi_client.exceptions import WokwiError

ANSWER_END = bytes(3)
PATIENCE_S = 30


async def main(server: str, diagram: Path, firmware: Path, greeting: bytes) -> dict:
    client = WokwiClient("any", server=server)
    seen = {"version": (await client.connect())["version"]}
    await client.upload_file("diagram.json", diagram)
    name = await client.upload_file("firmware.elf", firmware)
    seen["diagram_comes_back"] = await client.download("diagram.json") == diagram.read_bytes()

    said = bytearray()
    monitor = client.serial_monitor(said.extend)
    await asyncio.sleep(0)
    await client.start_simulation(name, pause=True)
    # What is said while time stands still is heard when it goes on.
    await client.serial_write(greeting)
    await asyncio.sleep(0.1)
    seen["said_while_paused"] = said.hex()
    await client.resume_simulation()
    for _ in range(PATIENCE_S * 100):
        # It says hello by itself when it has started, and once more when it is greeted.
        if said.count(ANSWER_END) >= 2:
            break
        await asyncio.sleep(0.01)
    seen["said"] = said.hex()

    await client.pause_simulation()
    before = await status(client)
    await asyncio.sleep(0.1)
    seen["time_stands_still"] = await status(client) == before and not before["running"]
    until = before["nanos"] / 1e9 + 0.25
    await client.wait_until_simulation_time(until)
    after = await status(client)
    seen["waited_until"] = [until, after["nanos"] / 1e9, after["running"]]

    client.stop_serial_monitors()
    monitor.cancel()
    # For this client a command that is refused is the end of its connection, so that it comes last.
    try:
        await client.set_control("button", "pressed", 1)
    except WokwiError as error:
        seen["refused"] = str(error)
    with contextlib.suppress(WokwiError):
        await client.disconnect()
    return seen


async def status(client: WokwiClient) -> dict:
    response = await client._transport.request("sim:status", {})
    return response["result"]


if __name__ == "__main__":
    server, diagram, firmware, greeting = sys.argv[1:]
    seen = asyncio.run(main(server, Path(diagram), Path(firmware), bytes.fromhex(greeting)))
    print(json.dumps(seen))
