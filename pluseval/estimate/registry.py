"""The inference values by the names that a plan uses."""

from __future__ import annotations

from collections.abc import Mapping
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
        If there is no such procedure, or it has no such parameter.

    Examples
    --------
    >>> inference_named("cluster_robust", kind="CR2")
    ClusterRobust(kind='CR2', df='bell-mccaffrey')
    """
    if name not in INFERENCES:
        raise DesignError(f"there is no inference {name!r}; there are {', '.join(sorted(INFERENCES))}")
    try:
        return INFERENCES[name](**parameters)
    except TypeError as error:
        raise DesignError(f"inference {name!r}: {error}") from None
