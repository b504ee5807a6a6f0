"""blynklib 0.2.6 logs in, writes, syncs and pings; what it saw is one line of JSON.

Arguments: port, token, and the file of an authority for TLS or "-" for none.
"""

import contextlib
import io
import json
import sys
import time

import blynklib

port, token, authority = int(sys.argv[1]), sys.argv[2], sys.argv[3]
seen = {"connected": False, "down": []}
options = {"server": "127.0.0.1", "port": port, "heartbeat": 2}
if authority != "-":
    options["ssl_cert"] = authority
# It prints a greeting.
with contextlib.redirect_stdout(io.StringIO()):
    blynk = blynklib.Blynk(token, **options)


@blynk.handle_event("connect")
def connected():
    seen["connected"] = True
    # The client takes one frame per segment, so that it asks for one pin at a time.
    blynk.virtual_write(5, "from blynklib")
    blynk.virtual_sync(6)


@blynk.handle_event("write V6")
def written(pin, value):
    seen["down"].append([pin, value])


limit = time.monotonic() + 20
# Two heartbeats prove that pings are answered: the client would have ended the session.
settled = None
while time.monotonic() < limit:
    blynk.run()
    if seen["connected"] and seen["down"] and settled is None:
        settled = time.monotonic() + 4
    if settled is not None and time.monotonic() > settled:
        break
seen["still"] = blynk.connected()
blynk.disconnect()
print(json.dumps(seen))
