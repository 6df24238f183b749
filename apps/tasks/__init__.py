"""What a worker is asked to do, one file a kind of task; `perform` is the envelope of all."""
