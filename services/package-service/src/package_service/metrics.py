"""Every metric of package-service. Labels take few values: never a name, never an agent."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
    "Downloads by who asked (user, agent) and how they ended: whole, range, redirected, broken_off, doubted.",
    ("who", "outcome"),
    registry=REGISTRY,
)
DOWNLOADED_BYTES = Counter("package_service_downloaded_bytes_total", "Bytes of packages handed out.", registry=REGISTRY)
TRANSFERS = Gauge(
    "package_service_transfers", "Transfers that run, by direction: up or down.", ("direction",), registry=REGISTRY
)
REFUSED = Counter(
    "package_service_refused_total",
    "Requests refused at a bound: file_size, quota, open_uploads, files, transfers, signatures, keys, manifest.",
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
SIGNATURES = Counter(
    "package_service_signatures_total",
    "Signatures given to us or made here: stored, refused (not what it claims to be).",
    ("outcome",),
    registry=REGISTRY,
)
VETTED = Counter(
    "package_service_vetted_total",
    "What looking at stored files found: right, unsigned, damaged, restored, missing, changed, unsettled.",
    ("outcome",),
    registry=REGISTRY,
)
OFFERABLE_FILES = Gauge(
    "package_service_offerable_files", "Files whose stored bytes and signatures were found good.", registry=REGISTRY
)
UNVETTED_FILES = Gauge(
    "package_service_unvetted_files", "Active files that are wanted and may not be offered (yet).", registry=REGISTRY
)
CAMPAIGNS = Gauge(
    "opamp_platform_package_campaigns",
    "Upgrade campaigns by state: draft, running, paused, halted, completed, aborted.",
    ("state",),
    registry=REGISTRY,
)
CAMPAIGN_AGENTS = Counter(
    "opamp_platform_package_campaign_moves_total",
    "Agents by what became of them in campaigns: admitted, succeeded, failed, rolled_back, left_out.",
    ("outcome",),
    registry=REGISTRY,
)
CAMPAIGN_HALTS = Counter(
    "opamp_platform_package_campaign_halts_total",
    "Times a campaign held itself because too many agents failed.",
    registry=REGISTRY,
)
CAMPAIGN_LOOK_SECONDS = Histogram(
    "opamp_platform_package_campaign_look_seconds",
    "Time one look at every living campaign takes.",
    registry=REGISTRY,
)
CAMPAIGN_LOOK_FAILURES = Counter(
    "opamp_platform_package_campaign_look_failures_total",
    "Looks at single campaigns that broke off; each is repeated at the next look at all of them.",
    registry=REGISTRY,
)
MANIFESTS = Counter(
    "package_service_manifests_total",
    "Signed manifests of channels: published, refused (not believed), failed (could not be made).",
    ("outcome",),
    registry=REGISTRY,
)

FACTS = Counter(
    "opamp_platform_package_facts_total", "Facts of agents taken in, by kind.", ("kind",), registry=REGISTRY
)
OFFERS = Counter(
    "opamp_platform_package_offers_total",
    "Agents in offers of packages, by what became of the offer: accepted, incapable, broadcast, unheard.",
    ("outcome",),
    registry=REGISTRY,
)
PACKAGE_OUTCOMES = Counter(
    "opamp_platform_package_outcomes_total",
    "Packages on agents that came to: installed, failed, rolled_back, timed_out.",
    ("outcome",),
    registry=REGISTRY,
)
AGENT_PACKAGES = Gauge(
    "opamp_platform_package_states", "Packages agents should have, by where they stand.", ("state",), registry=REGISTRY
)
ASSIGNMENTS = Gauge("opamp_platform_package_assignments", "Package assignments.", registry=REGISTRY)
HELD = Gauge(
    "opamp_platform_package_held_agents",
    "Agents whose newer list waits, because something they have could not be offered with it.",
    registry=REGISTRY,
)
