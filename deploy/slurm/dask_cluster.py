"""A Dask cluster whose workers are jobs of Slurm: run it on a machine that the server reaches, and leave it running.

pip install 'entrepot[dask]' dask-jobqueue
python dask_cluster.py --ca ca.pem --certificate cluster.pem --key cluster.key --port 8786 --most 20
"""

import argparse
import signal

from dask_jobqueue import SLURMCluster
from distributed import Security


def main() -> None:
    """Run the scheduler, and ask Slurm for as many workers as there is work for."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--host", help="Address to listen on; by default the machine's own.")
    parser.add_argument("--port", type=int, default=8786)
    parser.add_argument("--most", type=int, default=10, help="Jobs of Slurm at a time.")
    given = parser.parse_args()
    security = Security(
        require_encryption=True,
        tls_ca_file=given.ca,
        tls_client_cert=given.certificate,
        tls_client_key=given.key,
        tls_scheduler_cert=given.certificate,
        tls_scheduler_key=given.key,
        tls_worker_cert=given.certificate,
        tls_worker_key=given.key,
    )
    # Files of certificates have to be seen from the nodes, too. A call may take script_memory_bytes beside its worker.
    with SLURMCluster(
        cores=4,
        processes=1,
        memory="12GB",
        walltime="04:00:00",
        protocol="tls://",
        security=security,
        scheduler_options={"host": given.host, "port": given.port, "dashboard_address": "127.0.0.1:0"},
        # They end by themselves before Slurm ends them, and another takes over.
        worker_extra_args=["--lifetime", "225m", "--lifetime-stagger", "5m", "--dashboard-address", "127.0.0.1:0"],
    ) as cluster:
        cluster.adapt(minimum_jobs=0, maximum_jobs=given.most)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
