"""Operations on `/subscriptions`.

Source: Graph documentation, subscription-post-subscriptions, -list, -get, -update, -delete, -reauthorize.
"""

from starlette.responses import JSONResponse, Response

from local.graph.calls import Call, Operation
from local.graph.errors import invalid_request
from local.graph.odata import whole_number
from local.graph.pages import check_options, link_to
from local.graph.subscriptions import Subscription, Subscriptions, subscription_context, subscription_json
from local.graph.world import GraphWorld


class SubscriptionOperations:
    """Subscriptions of the app under development; see `operations` for paths."""

    def __init__(self, world: GraphWorld, subscriptions: Subscriptions, application_id: str) -> None:
        self._world = world
        self._subscriptions = subscriptions
        self._application_id = application_id

    def operations(self) -> list[Operation]:
        one = "subscriptions/{}"
        return [
            Operation("GET", "subscriptions", "subscription.list", self.list_subscriptions),
            Operation("POST", "subscriptions", "subscription.create", self.create),
            Operation("GET", one, "subscription.get", self.get),
            Operation("PATCH", one, "subscription.renew", self.renew),
            Operation("DELETE", one, "subscription.delete", self.delete),
            Operation("POST", f"{one}/reauthorize", "subscription.reauthorize", self.reauthorize),
        ]

    async def list_subscriptions(self, call: Call) -> Response:
        check_options(call, {"$skiptoken"})
        if set(call.query) - {"$skiptoken"}:
            raise invalid_request("The list of subscriptions takes no query options.", "BadRequest")
        skip = whole_number("$skiptoken", call.query.get("$skiptoken", "0"), 0, 10**9)
        subscriptions, size = self._subscriptions.live(), self._world.switch("subscription_page_size")
        shown = [
            subscription_json(each, self._application_id, with_state=False)
            for each in subscriptions[skip : skip + size]
        ]
        is_last = skip + size >= len(subscriptions)
        links = {} if is_last else {"@odata.nextLink": link_to(call, {"$skiptoken": str(skip + size)})}
        return JSONResponse({"@odata.context": subscription_context(""), "value": shown, **links})

    async def create(self, call: Call) -> Response:
        subscription = await self._subscriptions.create(call.json(), call.preferences.id_form)
        return self._shown(subscription, 201)

    async def get(self, call: Call, subscription_id: str) -> Response:
        check_options(call, set())
        return self._shown(self._subscriptions.get(subscription_id), 200)

    async def renew(self, call: Call, subscription_id: str) -> Response:
        return self._shown(await self._subscriptions.renew(subscription_id, call.json()), 200)

    async def delete(self, _: Call, subscription_id: str) -> Response:
        self._subscriptions.delete(subscription_id)
        return Response(status_code=204)

    async def reauthorize(self, _: Call, subscription_id: str) -> Response:
        await self._subscriptions.reauthorize(subscription_id)
        return Response(status_code=204)

    def _shown(self, subscription: Subscription, status: int) -> Response:
        shown = subscription_json(subscription, self._application_id, with_state=True)
        return JSONResponse({"@odata.context": subscription_context(), **shown}, status)
