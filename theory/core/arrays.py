"""What numpy hands back, and how finely it rounds."""

import numpy as np

# Where no dimension is left numpy hands back a scalar, which has the shape () and the dtype of an array.
Array = np.ndarray | np.floating

EPS = float(np.finfo(float).eps)
SQUARABLE = 1e150  # the squares of larger numbers, and of the inverses of these, are no normal numbers
