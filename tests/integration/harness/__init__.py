"""What the integration tests stand on: private servers, a faulty network, and runs of the program."""
