"""The services of people and what they own, wired: one field and one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.events import Event

from .access import Access
from .accounts import Accounts
from .activity import Activity
from .app_tokens import AppTokens
from .application_tokens import ApplicationTokens
from .applications import Applications
from .authorizations import Authorizations
from .authorizing import Authorizing
from .confirmations import Confirmations
from .crypto import SecretBox
from .departures import Departures
from .effective import Effective
from .encrypted import EncryptedPasswords
from .invites import Invites
from .jobs import Jobs
from .mail import Mail, MailOptions
from .members import Members
from .messages import Messages
from .oauth import OauthTokens
from .organizations import Organizations
from .ownership import Ownership
from .people import People
from .permissions import Permissions
from .profiles import Profiles
from .prototypes import Prototypes
from .registry_size import RegistrySizes
from .repositories import Repositories
from .repository_tokens import RepositoryTokens
from .repository_views import RepositoryViews
from .robots import Robots
from .search import Search
from .service_keys import ServiceKeys
from .sessions import Sessions
from .signup import SignUp
from .stars import Stars
from .superusers import Rules as UserRules
from .superusers import Superusers
from .teams import Teams
from .token_names import TokenName, token_names
from .token_uses import TokenUses


@dataclass(frozen=True)
class Ground:
    """What every one of these services stands on."""

    settings: Settings
    db: Database
    accounts: Accounts
    access: Access
    activity: Activity
    repositories: Repositories
    jobs: Jobs
    box: SecretBox
    check: Callable[[Event], None]


@dataclass(frozen=True)
class Tenancy:
    """One field per noun."""

    ground: Ground
    sessions: Sessions
    encrypted: EncryptedPasswords
    mail: Mail
    confirmations: Confirmations
    profiles: Profiles
    people: People
    signup: SignUp
    departures: Departures
    robots: Robots
    permissions: Permissions
    effective: Effective
    oauth: OauthTokens
    applications: Applications
    application_tokens: ApplicationTokens
    authorizations: Authorizations
    authorizing: Authorizing
    app_tokens: AppTokens
    repository_tokens: RepositoryTokens
    token_names: Mapping[str, TokenName]
    organizations: Organizations
    members: Members
    teams: Teams
    invites: Invites
    prototypes: Prototypes
    repository_views: RepositoryViews
    stars: Stars
    search: Search
    messages: Messages
    superusers: Superusers
    ownership: Ownership
    service_keys: ServiceKeys
    registry_sizes: RegistrySizes


def build(ground: Ground) -> Tenancy:
    s, db, accounts = ground.settings, ground.db, ground.accounts
    assert s.SECRET_KEY is not None
    secret = s.SECRET_KEY.get_secret_value()
    here = (db, ground.access, ground.activity)
    required = s.FEATURE_MAILING and s.FEATURE_REQUIRE_TEAM_INVITE
    robots, mail = _robots(ground), _mail(ground)
    invites = Invites(*here, ground.box, mail, required=required)
    recovery_s = int(s.USER_RECOVERY_TOKEN_LIFETIME)
    confirmations = Confirmations(db, ground.activity, ground.box, mail, recovery_s=recovery_s)
    threshold_s = s.OAUTH_TOKEN_LAST_ACCESSED_UPDATE_THRESHOLD_S
    uses = TokenUses(db, threshold_s=threshold_s, recording=s.REGISTRY_STATE != "readonly")
    oauth = OauthTokens(db, accounts, ground.box, uses)
    applications = Applications(*here, ground.box, oauth)
    authorizations = Authorizations(*here, mail)
    app, repository_tokens = _app_tokens(ground, uses), RepositoryTokens(db, ground.box, uses)
    superusers = Superusers(db, accounts, ground.activity, confirmations, _user_rules(s))
    return Tenancy(
        ground=ground,
        sessions=Sessions(db, accounts, secret, int(s.SESSION_TIMEOUT)),
        encrypted=EncryptedPasswords(secret, required=s.FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH),
        mail=mail,
        confirmations=confirmations,
        profiles=Profiles(s, db, ground.access),
        people=People(s, db, accounts, ground.activity, mail, confirmations),
        signup=SignUp(s, db, accounts, ground.activity, ground.box, confirmations, invites, applications),
        departures=Departures(*here, only_superusers=s.FEATURE_SUPERUSERS_ORG_CREATION_ONLY),
        robots=robots,
        permissions=Permissions(*here, ground.check),
        effective=Effective(db, accounts, ground.access, robots.allowed),
        oauth=oauth,
        applications=applications,
        application_tokens=_application_tokens(ground, applications, oauth),
        authorizations=authorizations,
        authorizing=_authorizing(ground, applications, authorizations, oauth),
        app_tokens=app,
        repository_tokens=repository_tokens,
        token_names=token_names(oauth, app if s.FEATURE_APP_SPECIFIC_TOKENS else None, repository_tokens),
        organizations=Organizations(
            *here,
            only_superusers=s.FEATURE_SUPERUSERS_ORG_CREATION_ONLY,
            tag_expirations=s.TAG_EXPIRATION_OPTIONS,
            tag_expiration_s=s.DEFAULT_TAG_EXPIRATION,
            change_tag_expiration=s.FEATURE_CHANGE_TAG_EXPIRATION,
        ),
        members=Members(*here),
        teams=Teams(*here, invites),
        invites=invites,
        prototypes=Prototypes(*here),
        repository_views=RepositoryViews(db, ground.access, tag_expiration_s=int(s.DEFAULT_TAG_EXPIRATION)),
        stars=Stars(db, ground.access),
        search=Search(db, ground.access, partial_names=s.FEATURE_PARTIAL_USER_AUTOCOMPLETE),
        messages=Messages(db),
        superusers=superusers,
        ownership=Ownership(db, accounts, ground.activity),
        service_keys=ServiceKeys(db, superusers, ground.activity),
        registry_sizes=RegistrySizes(db, ground.jobs),
    )


def _robots(ground: Ground) -> Robots:
    s = ground.settings
    return Robots(
        ground.db,
        ground.access,
        ground.activity,
        ground.box,
        ground.check,
        disallowed=s.ROBOTS_DISALLOW,
        spared=s.ROBOTS_WHITELIST,
        note_access=s.FEATURE_USER_LAST_ACCESSED and s.REGISTRY_STATE != "readonly",
        threshold_s=s.LAST_ACCESSED_UPDATE_THRESHOLD_S,
    )


def mail_options(s: Settings) -> MailOptions:
    """How this configuration sends mail."""
    return MailOptions(
        server=s.MAIL_SERVER,
        port=s.MAIL_PORT,
        use_tls=s.MAIL_USE_TLS,
        username=s.MAIL_USERNAME,
        password=s.MAIL_PASSWORD.get_secret_value() if s.MAIL_PASSWORD else None,
        sender=s.MAIL_DEFAULT_SENDER,
        title=s.REGISTRY_TITLE,
        base=f"{s.PREFERRED_URL_SCHEME}://{s.SERVER_HOSTNAME}" if s.SERVER_HOSTNAME else "",
        sends=not s.TESTING,
    )


def _mail(ground: Ground) -> Mail:
    s = ground.settings
    return Mail(ground.jobs, ground.box, mail_options(s), on=s.FEATURE_MAILING)


def _app_tokens(ground: Ground, uses: TokenUses) -> AppTokens:
    s = ground.settings
    life = s.APP_SPECIFIC_TOKEN_EXPIRATION
    return AppTokens(
        ground.db,
        ground.accounts,
        ground.access,
        ground.activity,
        ground.box,
        uses,
        life_s=None if life is None else int(life),
        keep_s=int(s.EXPIRED_APP_SPECIFIC_TOKEN_GC),
    )


def _application_tokens(ground: Ground, applications: Applications, oauth: OauthTokens) -> ApplicationTokens:
    s = ground.settings
    return ApplicationTokens(
        ground.db,
        ground.access,
        ground.activity,
        applications,
        oauth,
        most=s.OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT,
        superusers=s.FEATURE_SUPER_USERS,
    )


def _authorizing(
    ground: Ground, applications: Applications, authorizations: Authorizations, oauth: OauthTokens
) -> Authorizing:
    s = ground.settings
    return Authorizing(
        ground.db,
        ground.access,
        applications,
        authorizations,
        oauth,
        ground.box,
        superusers=s.FEATURE_SUPER_USERS,
        assigning=s.FEATURE_ASSIGN_OAUTH_TOKEN,
    )


def _user_rules(s: Settings) -> UserRules:
    return UserRules(
        mailing=s.FEATURE_MAILING,
        own_passwords=s.AUTHENTICATION_TYPE == "Database",
        metadata=s.FEATURE_USER_METADATA,
        bad_domains=s.BLACKLISTED_EMAIL_DOMAINS if s.FEATURE_BLACKLISTED_EMAILS else (),
    )
