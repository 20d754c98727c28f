"""The families of series on the controller's `/metrics`, and what people are told of each."""

from typing import Final

from meshsim.telemetry.exposition import Sample

_HELP: Final = {
    "argo_rollouts_controller_info": "The version that runs.",
    "rollout_info": "Each rollout, with its strategy, its router and its phase.",
    "rollout_info_replicas_desired": "Pods that the rollout asks for.",
    "rollout_info_replicas_available": "Pods of the rollout that are available.",
    "rollout_info_replicas_unavailable": "Pods of the rollout that are not available.",
    "rollout_info_replicas_updated": "Pods of the rollout's present template.",
    "rollout_phase": "1 for the phase that the rollout is in (deprecated: rollout_info).",
    "rollout_reconcile": "Seconds that a reconcile of a rollout took.",
    "rollout_reconcile_error": "Reconciles of a rollout that failed.",
    "rollout_events_total": "Kubernetes events about a rollout.",
    "rollout_duration_seconds": "Seconds from the start of an update to its end.",
    "rollout_progression_duration_seconds": "The same without pauses that waited for a person.",
    "rollout_manual_pause_duration_seconds": "Seconds that an update waited for a person.",
    "analysis_run_info": "Each analysis run, with its phase.",
    "analysis_run_phase": "1 for the phase that the analysis run is in (deprecated: analysis_run_info).",
    "analysis_run_metric_type": "Each metric of an analysis run, with its provider.",
    "analysis_run_metric_phase": "1 for the phase that the metric of an analysis run is in.",
    "analysis_run_reconcile": "Seconds that a reconcile of an analysis run took.",
    "analysis_run_reconcile_error": "Reconciles of an analysis run that failed.",
    "analysis_template_info": "Each analysis template.",
    "analysis_template_metric_info": "Each metric of an analysis template, with its provider.",
    "experiment_info": "Each experiment, with its phase.",
    "experiment_phase": "1 for the phase that the experiment is in (deprecated: experiment_info).",
    "experiment_reconcile": "Seconds that a reconcile of an experiment took.",
    "experiment_reconcile_error": "Reconciles of an experiment that failed.",
    "leader_election_master_status": "1 while this controller leads, 0 while it stands by.",
    "controller_clientset_k8s_request_total": "Requests that the controller sent to the API.",
}


def family(name: str, kind: str) -> Sample:
    """The lines that begin a family: a counter, a gauge or a histogram."""
    return Sample.family(name, kind, _HELP[name])
