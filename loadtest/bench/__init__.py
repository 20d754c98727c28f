"""What meshsim costs: its proxy beside others in one run (`make bench`), a node's idle pods. Imports none of it."""
