"""The analyses that are published with ``owi-metadatabase-results``."""

from entrepot.client.owi.analyses.base import BaseAnalysis, register_analysis, registry
from entrepot.client.owi.analyses.ceit import CorrosionMonitoring
from entrepot.client.owi.analyses.frequencies import LifetimeDesignFrequencies
from entrepot.client.owi.analyses.histogram import WindSpeedHistogram
from entrepot.client.owi.analyses.verification import LifetimeDesignVerification

__all__ = [
    "BaseAnalysis",
    "CorrosionMonitoring",
    "LifetimeDesignFrequencies",
    "LifetimeDesignVerification",
    "WindSpeedHistogram",
    "register_analysis",
    "registry",
]
