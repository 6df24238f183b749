"""One network: its epochs, its evaluation, its state in and out."""
