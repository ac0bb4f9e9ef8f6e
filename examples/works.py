"""Works that wait, are done, archived, asked for and locked: the guide of CHIME/FRB Workflow, in short."""

import os
import time

from entrepot.client.workflow import HTTPContext, Work

# The server is ENTREPOT_URL's where no workspace file names another.
http = HTTPContext(backends=["buckets", "results"], token=os.environ["ENTREPOT_TOKEN"])
PIPELINE = "works-example"

for event in range(1, 6):
    work = Work(pipeline=PIPELINE, site="local", user="ada", event=[event], parameters={"seconds": event / 1000})
    work.deposit(http=http)

# A worker takes the most urgent one until there is none. `entrepot works run works-example` is one that needs no code.
done = []
while work := Work.withdraw(PIPELINE, http=http):
    time.sleep(work.parameters["seconds"])
    work.results = {"snr": 7.5 * work.event[0], "locked": False}
    work.status, work.stop = "success", time.time()
    work.update()
    done.append(work.payload)

# The archive takes what has ended, all or none, and answers queries of MongoDB.
http.results.deposit(done)
loud = http.results.view(PIPELINE, {"results.snr": {"$gt": 20}}, {"id": True, "event": True, "results": True})
for one in loud:
    print("event", one["event"][0], "snr", one["results"]["snr"])

# What is locked can be neither changed nor deleted, by anybody.
chosen = [loud[0]["id"]]
http.results.lock(PIPELINE, chosen)
print("deleted while locked:", http.results.delete_ids(PIPELINE, chosen))
http.results.unlock(PIPELINE, chosen, force=True)
print("deleted after that:  ", http.results.delete_ids(PIPELINE, [one["id"] for one in done]))
