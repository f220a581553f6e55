"""How strictly signatures are checked: as PEP 484 reads them, so that a whole number will do for a float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
