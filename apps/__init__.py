"""What runs on a worker, and the mathematics it needs."""
