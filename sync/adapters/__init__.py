"""Graph, Dataverse and Azure Storage behind the ports of `sync.service.ports`. Vendor spelling stops here."""
