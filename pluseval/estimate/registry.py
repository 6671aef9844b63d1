"""The inference values by the names that a plan uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any

from pluseval.errors import DesignError
from pluseval.estimate.inference import OLS, ClusterRobust, Inference, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap

INFERENCES: Mapping[str, type] = MappingProxyType(
    {
        "cluster_robust": ClusterRobust,
        "ols": OLS,
        "permutation": Permutation,
        "sign_flip": SignFlip,
        "welch": Welch,
        "wild_bootstrap": WildBootstrap,
    }
)


def inference_named(name: str, **parameters: Any) -> Inference:
    """The inference value of that name with its parameters.

    Raises
    ------
    DesignError
        If there is no such procedure, it has no such parameter, or one that it needs is not given.

    Examples
    --------
    >>> inference_named("cluster_robust", kind="CR2")
    ClusterRobust(kind='CR2', df='bell-mccaffrey')
    """
    if name not in INFERENCES:
        raise DesignError(f"there is no inference {name!r}; there are {', '.join(sorted(INFERENCES))}")
    takes = {field.name: field for field in fields(INFERENCES[name])}
    unknown = [given for given in parameters if given not in takes]
    if unknown:
        has = f"it takes {', '.join(takes)}" if takes else "it takes none"
        raise DesignError(f"inference {name!r} has no parameter {', '.join(unknown)}; {has}")
    lacking = [one for one, field in takes.items() if field.default is MISSING and one not in parameters]
    if lacking:
        raise DesignError(f"inference {name!r} needs {' and '.join(lacking)}; give {' and '.join(lacking)}")
    return INFERENCES[name](**parameters)
