"""Users, for administrators."""

from __future__ import annotations

from api_gateway.account import AccountChange
from api_gateway.compose.accounts import user_page_view, user_view
from api_gateway.models import accounts as views
from api_gateway.models.paging import NoQuery
from api_gateway.paging import next_link
from api_gateway.passwords import check_strength, generate_password
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry

routes = Registry()

_TAG = "users"
_ROOT = "/api/v1/users"
_ONE = f"{_ROOT}/{{id}}"


@routes.route(
    "GET", _ROOT, permission=Permission.USER_READ, tag=_TAG, query=views.UserQuery, answers={200: views.UserPage}
)
async def list_users(call: Call[views.UserQuery, None]) -> Answer:
    """List users by name."""
    query = call.query
    found = await call.parts.users.list_accounts(call.tenant_id, query.search, query.limit, query.offset, query.cursor)
    page = user_page_view(found, limit=query.limit, offset=query.offset)
    cursor = page["next_cursor"]
    return Answer(page, headers={"Link": next_link(call.url_path, call.url_query, cursor)} if cursor else {})


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.USER_WRITE,
    tag=_TAG,
    body=views.NewUser,
    answers={201: views.CreatedUser},
    errors=(409,),
)
async def create_user(call: Call[NoQuery, views.NewUser]) -> Answer:
    """Make a user; without a password one is generated and told once."""
    password = call.body.password or generate_password()
    check_strength(call.body.username, password)
    account = await call.parts.users.create(
        call.tenant_id,
        call.body.username,
        call.body.email or "",
        await call.parts.passwords.hash(password),
        call.body.role,
    )
    user = user_view(account)
    made: views.CreatedUser | views.User = {**user, "password": password} if call.body.password is None else user
    return Answer(made, status=201, headers={"Location": f"{_ROOT}/{account.user_id}"})


@routes.route("GET", _ONE, permission=Permission.USER_READ, tag=_TAG, answers={200: views.User}, errors=(404,))
async def get_user(call: Call[NoQuery, None]) -> Answer:
    """Get one user."""
    return Answer(user_view((await call.parts.users.get(call.tenant_id, call.path["id"])).account))


@routes.route(
    "PATCH",
    _ONE,
    permission=Permission.USER_WRITE,
    tag=_TAG,
    body=views.UserChange,
    answers={200: views.User},
    errors=(404, 409),
)
async def change_user(call: Call[NoQuery, views.UserChange]) -> Answer:
    """
    Change a user's role, e-mail address or password, or disable the account.

    Disabling and a new password end the user's sessions. The last active administrator cannot be disabled or
    demoted.
    """
    wanted = call.body
    password_hash = None
    if wanted.password is not None:
        stored = await call.parts.users.get(call.tenant_id, call.path["id"])
        check_strength(stored.account.username, wanted.password)
        password_hash = await call.parts.passwords.hash(wanted.password)
    account = await call.parts.users.change(
        call.tenant_id,
        call.path["id"],
        AccountChange(wanted.email, wanted.role, wanted.is_active, password_hash),
    )
    call.parts.authenticator.forget(account.user_id)
    return Answer(user_view(account))
