"""The status page: what `sync.service.board` gathers, as HTML without script, and what a person may order."""
