"""The exercises of `openwatt drill`, which injects faults and follows them through the whole chain."""
