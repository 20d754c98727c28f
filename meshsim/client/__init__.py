"""The Kubernetes API as its clients see it: typed errors, get/list/watch/patch over HTTP, informers."""
