"""Write another trial of a search than its winner: the command `textcls-tune export`."""

__all__: list[str] = []
