"""The settings of one SMSBat account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from exporter.config.fields import (
    STRICT,
    BaseUrl,
    Count,
    Name,
    Positive,
    PositiveDuration,
    ProxyUrl,
    SecretFile,
    SecretText,
    seconds,
)
from exporter.config.secrets import Secret


def _user(text: str) -> str:
    if not text or ":" in text or not text.isprintable():
        raise ValueError("must be one line of text without a colon")
    return text


class Auth(BaseModel):
    """How an account proves who it is; `api_key` and `password` hold the secret however it was given."""

    model_config = STRICT

    method: Literal["header", "basic", "key_as_password"]
    api_key_file: SecretFile = None
    api_key: SecretText = None
    username: Annotated[str, AfterValidator(_user)] | None = Field(None, validate_default=True)
    password_file: SecretFile = None
    password: SecretText = None

    @field_validator("api_key_file", "api_key", "username", "password_file", "password")
    @classmethod
    def _fits_method(cls, value: Secret | str | None, info: ValidationInfo) -> Secret | str | None:
        name, method = info.field_name or "", info.data.get("method")
        twin = f"{name}_file"
        if method is None:
            return value
        if name.startswith("api_key") == (method == "basic"):
            if value is not None:
                raise ValueError(f"does not go with method {method}: remove it")
        elif value is None and name == "username":
            raise ValueError(f"is required by method {method}")
        elif value is None and not name.endswith("_file") and twin in info.data:
            raise ValueError(f"method {method} needs {name} or {twin}")
        return value


class Account(BaseModel):
    """One account: where its API is, how to get in, and how much may be asked of it."""

    model_config = STRICT

    name: Name
    base_url: BaseUrl = "https://restapi.smsbat.com"
    auth: Auth
    requests_per_second: Positive = 10.0
    burst: Count = 10
    max_concurrency: Count = 50
    request_timeout: PositiveDuration = seconds("10s")
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3}$"), AfterValidator(str.upper)] = "USD"
    webhook_token_file: SecretFile = None
    webhook_token: SecretText = None
    proxy_url: ProxyUrl | None = Field(None, repr=False)
