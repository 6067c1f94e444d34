"""Runs command lines of the Python original, one after the other in one process, as starting it takes long.

Reads one JSON object a line, {"args": [...], "env": {...}}, and answers each with {"code": n, "stdout": "...", "stderr": "..."}.
"""

import contextlib
import io
import json
import logging
import os
import sys
import traceback

import empusa

inherited = {name: value for name, value in os.environ.items() if not name.startswith("EMPUSA_")}

for line in sys.stdin:
    request = json.loads(line)
    os.environ.clear()
    os.environ.update(inherited, **request["env"])
    sys.argv = ["empusa", *request["args"]]
    # Each run sets logging up anew, for a standard error of its own.
    logging.getLogger().handlers.clear()
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            empusa.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except Exception:
            traceback.print_exc()
            code = 1
    print(json.dumps({"code": code, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}), flush=True)
