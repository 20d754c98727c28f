"""Load tests with locust. They speak HTTP and know nothing of meshsim."""
