"""What every class of settings is made of: a field is an environment variable, or a secret in a file."""

from __future__ import annotations

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.runtime.secret_files import SecretFiles


class Settings(BaseSettings):
    """Base of every settings class: a field is the variable of its upper-case name, or a secret in a file."""

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic-settings passes them by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from: the environment, and the files that it names (`<NAME>_FILE`)."""
        return init_settings, env_settings, SecretFiles(settings_cls)
