"""blynk-library-python 0.2.0 logs in, writes, syncs and pings; what it saw is one line of JSON.

Arguments: port and token. It speaks without TLS.
"""

import contextlib
import io
import json
import sys
import time

port, token = int(sys.argv[1]), sys.argv[2]
seen = {"connected": False, "down": []}
# It prints a greeting.
with contextlib.redirect_stdout(io.StringIO()):
    import BlynkLib

    blynk = BlynkLib.Blynk(token, server="127.0.0.1", port=port, heartbeat=2)

    def connected(*_, **__):
        seen["connected"] = True
        blynk.virtual_write(5, "from blynk-library-python")
        blynk.sync_virtual(6)

    def written(value):
        seen["down"].append(value)

    blynk.on("connected", connected)
    blynk.on("V6", written)
    if blynk.state == BlynkLib.CONNECTED:
        connected()
    limit = time.monotonic() + 20
    settled = None
    while time.monotonic() < limit:
        blynk.run()
        time.sleep(0.005)
        if seen["connected"] and seen["down"] and settled is None:
            settled = time.monotonic() + 4
        if settled is not None and time.monotonic() > settled:
            break
    seen["still"] = blynk.state == BlynkLib.CONNECTED
print(json.dumps(seen))
