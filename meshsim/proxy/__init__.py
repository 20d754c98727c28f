"""The data plane: real connections around the decisions of `meshsim.mesh`."""
