"""A client of ``emotrace serve``, for programs that wait and for asyncio; needs the extra ``client``."""

from emotrace.client.asynchronous import AsyncClient
from emotrace.client.records import Answer, Correction, Job, JobItem, Kept, Model
from emotrace.client.synchronous import Client

__all__ = ["Answer", "AsyncClient", "Client", "Correction", "Job", "JobItem", "Kept", "Model"]
