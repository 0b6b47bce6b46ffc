"""What somebody did, as values.

Events are grouped by what they are about; each is reached from here.
"""

from __future__ import annotations

from .base import *  # noqa: F403
from .content import *  # noqa: F403
from .credentials import *  # noqa: F403
from .organizations import *  # noqa: F403
from .policies import *  # noqa: F403
from .users import *  # noqa: F403
