"""The checks of `openwatt doctor`: the production checklist of the operators' guide as a program."""
