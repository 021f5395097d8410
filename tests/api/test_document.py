"""The OpenAPI document that the page's types are made of is the one that the API gives."""

import orjson

from streams.api import document


def test_the_document_is_as_written(client):
    assert document.main(["--check"]) == 0
    written = orjson.loads(document.FILE.read_bytes())
    assert client.get("/openapi.json").json() == written


def test_another_document_is_refused_and_written_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(document, "FILE", tmp_path / "openapi.json")
    (tmp_path / "openapi.json").write_bytes(b"{}")
    assert document.main(["--check"]) == 1
    assert "openapi.json" in capsys.readouterr().err
    assert document.main([]) == 0
    assert document.main(["--check"]) == 0
