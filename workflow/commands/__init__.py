"""The commands, by theme: running, looking, handing on."""
