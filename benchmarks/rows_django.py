"""The peer of benchmarks/rows.py: rows as a Django REST framework service keeps them, on SQLite, in one file.

Bulk creation is one `bulk_create`, create-or-update one `bulk_create` and one `bulk_update`, each in a transaction:
what a user who cares about speed writes. Run by gunicorn as ``rows_django:application``.
"""

import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.urls import path

FOLDER = Path(os.environ["ROWS_FOLDER"])
settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework.authtoken"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "rows.sqlite3",
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
                "transaction_mode": "IMMEDIATE",
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
application = get_wsgi_application()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.generics import ListAPIView  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class Analysis(models.Model):
    """What rows belong to."""

    name = models.CharField(max_length=300)

    class Meta:
        app_label = "rows"


class Result(models.Model):
    """A row."""

    analysis = models.ForeignKey(Analysis, models.CASCADE)
    name_col1 = models.CharField(max_length=300)
    name_col2 = models.CharField(max_length=300)
    name_col3 = models.CharField(max_length=300, null=True)
    units_col1 = models.CharField(max_length=300)
    units_col2 = models.CharField(max_length=300)
    units_col3 = models.CharField(max_length=300, null=True)
    value_col1 = models.JSONField()
    value_col2 = models.JSONField()
    value_col3 = models.JSONField(null=True)
    short_description = models.CharField(max_length=500)
    description = models.TextField(null=True)
    additional_data = models.JSONField(null=True)

    class Meta:
        app_label = "rows"
        indexes = (models.Index(fields=["analysis", "short_description"]),)


class ResultSerializer(serializers.ModelSerializer):
    """A row on the wire."""

    value_col1 = serializers.ListField(child=serializers.FloatField(), allow_empty=False)
    value_col2 = serializers.ListField(child=serializers.FloatField(), allow_empty=False)
    value_col3 = serializers.ListField(child=serializers.FloatField(), required=False, allow_null=True)

    class Meta:
        model = Result
        fields = "__all__"

    def validate(self, attrs):
        """Require vectors of equal length."""
        if len({len(attrs[name]) for name in ("value_col1", "value_col2", "value_col3") if attrs.get(name)}) != 1:
            raise serializers.ValidationError("All value columns must have the same length.")
        return attrs


class Results(ListAPIView):
    """List rows of an analysis; create, or create or update, many."""

    serializer_class = ResultSerializer

    def get_queryset(self):
        """Return the rows of the analysis that is asked for."""
        rows = Result.objects.order_by("short_description", "id")
        wanted = self.request.query_params.get("analysis__id")
        return rows if wanted is None else rows.filter(analysis_id=wanted)

    def post(self, request):
        """Create many rows."""
        return Response(ResultSerializer(self._create(self._valid(request)), many=True).data, status=201)

    def put(self, request):
        """Create or update many rows, by their short description."""
        given = self._valid(request)
        existing = {row.short_description: row for row in Result.objects.filter(analysis=given[0]["analysis"])}
        changed = []
        for values in given:
            if row := existing.get(values["short_description"]):
                for name, value in values.items():
                    setattr(row, name, value)
                changed.append(row)
        with transaction.atomic():
            created = self._create([one for one in given if one["short_description"] not in existing])
            if changed:
                Result.objects.bulk_update(changed, [name for name in given[0] if name != "id"], batch_size=500)
        return Response(ResultSerializer(created + changed, many=True).data)

    @staticmethod
    def _valid(request):
        serializer = ResultSerializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    @staticmethod
    def _create(given):
        with transaction.atomic():
            return Result.objects.bulk_create([Result(**values) for values in given], batch_size=1000)


urlpatterns = [path("result/", Results.as_view())]


def prepare():
    """Make the tables, an analysis and a token, and print the token."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Analysis)
        editor.create_model(Result)
    for number in (1, 2, 3):
        Analysis.objects.create(name=f"analysis {number}")
    print(Token.objects.create(user=User.objects.create_user("bench")).key)


if __name__ == "__main__":
    prepare()
