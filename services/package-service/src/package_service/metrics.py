"""Every metric of package-service. Labels take few values: never a name, never an agent."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from servicekit.metrics import REGISTRY

STORE_ERRORS = Counter(
    "package_service_store_errors_total",
    "Failures of the object store, by what was asked of it.",
    ("operation",),
    registry=REGISTRY,
)
UPLOADS = Counter(
    "package_service_uploads_total",
    "Uploads by how they ended: published, known (the content was there already), refused, given_up.",
    ("outcome",),
    registry=REGISTRY,
)
UPLOADED_BYTES = Counter("package_service_uploaded_bytes_total", "Bytes of packages stored.", registry=REGISTRY)
DOWNLOADS = Counter(
    "package_service_downloads_total",
    "Downloads by who asked (user, agent) and how they ended: whole, range, redirected, broken_off, damaged.",
    ("who", "outcome"),
    registry=REGISTRY,
)
DOWNLOADED_BYTES = Counter("package_service_downloaded_bytes_total", "Bytes of packages handed out.", registry=REGISTRY)
TRANSFERS = Gauge(
    "package_service_transfers", "Transfers that run, by direction: up or down.", ("direction",), registry=REGISTRY
)
REFUSED = Counter(
    "package_service_refused_total",
    "Requests refused at a bound: file_size, quota, open_uploads, files, transfers.",
    ("bound",),
    registry=REGISTRY,
)
FILES = Gauge("package_service_files", "Published files.", registry=REGISTRY)
STORED_BYTES = Gauge("package_service_stored_bytes", "Bytes of published files, each content once.", registry=REGISTRY)
DAMAGED = Gauge(
    "package_service_damaged_files", "Published files whose stored bytes are not what was published.", registry=REGISTRY
)
OPEN_UPLOADS = Gauge("package_service_open_uploads", "Uploads begun and not ended.", registry=REGISTRY)
FILE_TICKETS = Counter(
    "package_service_file_tickets_total",
    "Download tickets shown by agents: accepted, expired, wrong (another file or forged), unknown (of no key of ours).",
    ("outcome",),
    registry=REGISTRY,
)
