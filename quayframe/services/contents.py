"""The services of what repositories hold, wired: one field and one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.events import Event

from .access import Access
from .accounts import Accounts
from .activity import Activity
from .artifact_types import ArtifactTypes
from .as_of import AsOf
from .blobs import Blobs
from .collection import Collection
from .fsck import Fsck
from .garbage import Garbage
from .gate import Gate
from .gc_plan import GcPlans
from .heads import Heads
from .image_config import ImageConfigs
from .jobs import Jobs
from .labels import Labels
from .lifecycles import Lifecycles
from .manifest_views import ManifestViews
from .manifests import Manifests, Rules
from .pins import Pins
from .placing import Placing
from .policies import Policies, prune
from .pruning import Pruning
from .pull_counts import PullCounts
from .pulls import Pulls
from .purging import Purging
from .recycle_bin import RecycleBin
from .referrers import Referrers
from .replication import Replication
from .repositories import Repositories
from .storage import Storage
from .tag_edits import Rules as TagRules
from .tag_edits import TagEdits
from .tag_history import TagHistory
from .tags import Tags
from .uploads import Uploads


@dataclass(frozen=True)
class ContentGround:
    """What these services stand on."""

    settings: Settings
    db: Database
    accounts: Accounts
    access: Access
    activity: Activity
    gate: Gate
    repositories: Repositories
    blobs: Blobs
    uploads: Uploads
    storage: Storage
    jobs: Jobs
    check: Callable[[Event], None]


@dataclass(frozen=True)
class Content:
    """One service per noun."""

    pins: Pins
    heads: Heads
    tags: Tags
    tag_history: TagHistory
    tag_edits: TagEdits
    image_configs: ImageConfigs
    manifests: Manifests
    referrers: Referrers
    manifest_views: ManifestViews
    labels: Labels
    policies: Policies
    pruning: Pruning
    lifecycles: Lifecycles
    garbage: Garbage
    gc_plans: GcPlans
    fsck: Fsck
    recycle_bin: RecycleBin
    pulls: Pulls
    as_of: AsOf
    pull_counts: PullCounts
    placing: Placing
    replication: Replication


def build(ground: ContentGround) -> Content:
    s = ground.settings
    pins = Pins(enabled=s.FEATURE_IMMUTABLE_TAGS, can_expire=s.FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE)
    heads = Heads(pins)
    tags = Tags(ground.db, ground.activity, ground.check, heads)
    configs = ImageConfigs(ground.db, ground.storage)
    referrers = Referrers(ground.db)
    pruning = _pruning(ground, heads, pins)
    purging = _purging(ground)
    pulls = Pulls(ground.db, ground.gate)
    placing = Placing(ground.db, ground.storage, ground.blobs)
    replication = _replication(ground, placing)
    return Content(
        pins=pins,
        heads=heads,
        tags=tags,
        tag_history=TagHistory(ground.db, pins),
        tag_edits=_tag_edits(ground, heads, pins),
        image_configs=configs,
        manifests=_manifests(ground, tags, configs, pins, replication),
        referrers=referrers,
        manifest_views=ManifestViews(ground.db, configs, referrers),
        labels=Labels(ground.db, ground.access, ground.activity, ground.check, s.LABEL_KEY_RESERVED_PREFIXES),
        policies=Policies(ground.db, ground.access, ground.activity, ground.check),
        pruning=pruning,
        lifecycles=Lifecycles(ground.db, pins, pruning, window_s=s.DEFAULT_TAG_EXPIRATION),
        garbage=_garbage(ground, heads, purging),
        fsck=Fsck(
            ground.db,
            ground.access,
            ground.storage,
            ground.blobs,
            replication.heal,
            sparse=s.FEATURE_SPARSE_INDEX,
            window_s=s.DEFAULT_TAG_EXPIRATION,
            hold_s=s.PUSH_TEMP_TAG_EXPIRATION_SEC,
        ),
        gc_plans=GcPlans(
            ground.db,
            purging,
            window_s=s.DEFAULT_TAG_EXPIRATION,
            hold_s=s.PUSH_TEMP_TAG_EXPIRATION_SEC,
        ),
        recycle_bin=_recycle_bin(ground),
        pulls=pulls,
        as_of=_as_of(ground, pulls),
        pull_counts=PullCounts(
            ground.db, enabled=s.FEATURE_IMAGE_PULL_STATS and s.REGISTRY_STATE != "readonly"
        ),
        placing=placing,
        replication=replication,
    )


def _replication(ground: ContentGround, placing: Placing) -> Replication:
    s = ground.settings
    targets = s.DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS if s.FEATURE_STORAGE_REPLICATION else ()
    return Replication(ground.db, ground.storage, ground.blobs, placing, ground.jobs, targets=targets)


def _as_of(ground: ContentGround, pulls: Pulls) -> AsOf:
    s = ground.settings
    return AsOf(
        ground.db,
        ground.gate,
        pulls,
        window_s=s.DEFAULT_TAG_EXPIRATION,
        readonly=s.REGISTRY_STATE == "readonly",
    )


def _recycle_bin(ground: ContentGround) -> RecycleBin:
    s = ground.settings
    return RecycleBin(
        ground.db,
        ground.access,
        ground.activity,
        ground.check,
        window_s=s.DEFAULT_TAG_EXPIRATION,
        extended=s.FEATURE_EXTENDED_REPOSITORY_NAMES,
    )


def _tag_edits(ground: ContentGround, heads: Heads, pins: Pins) -> TagEdits:
    s = ground.settings
    rules = TagRules(
        window_s=s.DEFAULT_TAG_EXPIRATION,
        shortest_s=s.LABELED_EXPIRATION_MINIMUM,
        longest_s=s.LABELED_EXPIRATION_MAXIMUM,
    )
    return TagEdits(ground.db, ground.access, ground.activity, ground.check, heads, pins, rules)


def _pruning(ground: ContentGround, heads: Heads, pins: Pins) -> Pruning:
    s = ground.settings
    said = s.DEFAULT_NAMESPACE_AUTOPRUNE_POLICY
    return Pruning(
        ground.db,
        heads,
        pins,
        ground.activity,
        enabled=s.FEATURE_AUTO_PRUNE and s.REGISTRY_STATE != "readonly",
        default=prune(str(said["method"]), said["value"]) if said else None,
    )


def _manifests(
    ground: ContentGround, tags: Tags, configs: ImageConfigs, pins: Pins, replication: Replication
) -> Manifests:
    s = ground.settings
    types = ArtifactTypes(
        oci=s.FEATURE_GENERAL_OCI_SUPPORT,
        allowed=s.ALLOWED_OCI_ARTIFACT_TYPES,
        helm=s.FEATURE_HELM_OCI_SUPPORT,
        always=s.OCI_NAMESPACE_WHITELIST,
    )
    rules = Rules(
        types=types,
        sparse=s.FEATURE_SPARSE_INDEX,
        hold_s=s.PUSH_TEMP_TAG_EXPIRATION_SEC,
        reset_children=s.RESET_CHILD_MANIFEST_EXPIRATION,
    )
    return Manifests(
        ground.db,
        ground.repositories,
        tags,
        ground.activity,
        ground.check,
        configs,
        pins,
        rules,
        replication.spread,
    )


def _purging(ground: ContentGround) -> Purging:
    s = ground.settings
    return Purging(
        ground.db,
        ground.blobs,
        window_s=s.DEFAULT_TAG_EXPIRATION,
        repositories=s.FEATURE_REPOSITORY_GARBAGE_COLLECTION,
        namespaces=s.FEATURE_NAMESPACE_GARBAGE_COLLECTION,
    )


def _garbage(ground: ContentGround, heads: Heads, purging: Purging) -> Garbage:
    s = ground.settings
    collection = Collection(
        ground.db,
        heads,
        ground.blobs,
        window_s=s.DEFAULT_TAG_EXPIRATION,
        hold_s=s.PUSH_TEMP_TAG_EXPIRATION_SEC,
    )
    halted = {
        "REGISTRY_STATE is readonly": s.REGISTRY_STATE == "readonly",
        "DISABLE_PUSHES is on": s.DISABLE_PUSHES,
        "ACCOUNT_RECOVERY_MODE is on": s.ACCOUNT_RECOVERY_MODE,
    }
    why = next((text for text, is_so in halted.items() if is_so), None)
    return Garbage(collection, purging, enabled=s.FEATURE_GARBAGE_COLLECTION, halted=why)
