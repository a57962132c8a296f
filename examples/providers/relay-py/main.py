#!/usr/bin/python3
"""Relay is a provider adapter in Python: it passes chat requests on to a service and streams what that says."""
import json

from signalbox_provider import Answer, Error, Events, Provider, class_of, serve


class Relay(Provider):
    name, version, credential = "relay-py", "1.0.0", "required"
    operations = [("chat", "openai-chat")]
    properties = {"base_url": {"type": "string", "description": "of the service, without /chat/completions"}}

    def configure(self, config, hosts):
        base = config.get("base_url", "")
        if not base.startswith(("http://", "https://")):
            raise ValueError(f"base_url {base!r} is not of the form https://host/path")

        def chat(request):
            return self.chat(request, base.rstrip("/") + "/chat/completions")

        return {("chat", "openai-chat"): chat}, []

    def chat(self, request, url):
        ask = request.json()
        ask["model"] = request.model
        if request.streams:
            ask["stream_options"] = {"include_usage": True}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + request.credential}
        answer = request.fetch(url, json.dumps(ask), headers)
        if answer.status != 200:
            said = json.loads(answer.read()).get("error", {})
            raise Error(answer.status, said.get("code"), said.get("message", "the service refuses"), class_of(answer.status), answer.getheader("Retry-After"))
        if request.streams:
            return Events(self.events(request.lines(answer)))
        body = answer.read()
        return Answer(body, usage(json.loads(body)))

    def events(self, lines):
        for line in lines:  # a cut raises, and cuts our stream
            if line.startswith(b"data: {") and b'"usage":{' in line:
                yield usage(json.loads(line[6:]))
            if line.strip():
                yield line + b"\n"


def usage(answer):
    """Takes OpenAI's counts apart: cached tokens are within the prompt, reasoning is within the completion."""
    u = answer.get("usage") or {}
    cached = (u.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    reasoning = (u.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    return {"in": u.get("prompt_tokens", 0) - cached, "cr": cached, "out": u.get("completion_tokens", 0) - reasoning, "rs": reasoning}


serve(Relay())
