"""A soft IOC with the real EPICS shell, out of the ``epicscorelibs`` wheel.

    python softioc_sh.py [st.cmd]

Runs the start-up script, then reads commands from the terminal until ``exit`` or ^D. The
wheel's own ``python -m epicscorelibs.ioc`` ends in a Python prompt; people, and the tests
of this project, want ``dbl`` and ``dbgf``.

The IOC keeps to the loopback interface and off the well-known Channel Access ports unless
the environment already says otherwise, so that a demo or a test run never shows its
records to the control system network of the site where it happens to run.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

LOOPBACK_ONLY = {
    "EPICS_CA_ADDR_LIST": "127.0.0.1",
    "EPICS_CA_AUTO_ADDR_LIST": "NO",
    "EPICS_CA_SERVER_PORT": "25064",
    "EPICS_CA_REPEATER_PORT": "25065",
    "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_CAS_SERVER_PORT": "25064",
    "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_BEACON_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
}

MISSING = "softioc_sh: the Python package epicscorelibs is missing: pip install epicscorelibs"


def main(argv: list[str]) -> int:
    for name, value in LOOPBACK_ONLY.items():
        os.environ.setdefault(name, value)
    try:
        from epicscorelibs import ioc
    except ImportError as error:
        print(f"{MISSING} ({error})", file=sys.stderr)
        return 1
    if len(argv) > 1:
        # Records are found beside the script, whatever directory the IOC was started in.
        script = Path(argv[1]).resolve()
        os.environ.setdefault("TOP", str(script.parent))

    # Python's own handler would only run once iocsh returns, which makes ^C do nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    iocsh = ioc.Com.iocsh
    iocsh.argtypes, iocsh.restype = [ctypes.c_char_p], ctypes.c_int
    ioc.iocshRegisterCommon()
    if ioc.dbLoadDatabase(b"base.dbd", ioc.DEFAULT_DBD_PATH.encode(), None):
        print("softioc_sh: base.dbd does not load", file=sys.stderr)
        return 1
    if ioc.registerRecordDeviceDriver(ioc.pdbbase):
        print("softioc_sh: the record types do not register", file=sys.stderr)
        return 1
    sys.stdout.flush()
    if len(argv) > 1 and iocsh(os.fsencode(script)):
        print(f"softioc_sh: {argv[1]} ended with an error", file=sys.stderr)
        return 1
    iocsh(None)
    ioc.Com.epicsExit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
