"""The use cases. They talk to the outside through `ports` only and leave every rule to `sync.core`."""
