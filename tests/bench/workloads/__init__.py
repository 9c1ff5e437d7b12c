"""The workloads of the performance reference, one file each."""

from types import ModuleType

from . import w1_throughput, w2_keystroke, w3_stuck, w4_scale, w5_killall, w6_attach

WORKLOADS: dict[str, ModuleType] = {
    "W1": w1_throughput,
    "W2": w2_keystroke,
    "W3": w3_stuck,
    "W4": w4_scale,
    "W5": w5_killall,
    "W6": w6_attach,
}
