"""Writes test/data/sklearn/columns/model.joblib: a pipeline fitted on a pandas frame with a text column.

Usage: python make_column_fixture.py OUTPUT_FOLDER
"""
import os
import sys

import joblib
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

frame = pandas.DataFrame({
    "area": [30, 45, 52, 60, 75, 80, 95, 110, 130, 150],
    "city": ["Rome", "Oslo", "Rome", "Lima", "Oslo", "Lima", "Rome", "Oslo", "Lima", "Rome"],
    "rooms": [1, 1, 2, 2, 3, 3, 3, 4, 5, 5],
})
target = ["cheap"] * 5 + ["dear"] * 5
columns = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["area", "rooms"]),
    ("text", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["city"]),
])
model = make_pipeline(columns, LogisticRegression()).fit(frame, target)
query = pandas.DataFrame({"area": [50, 80.5, 120], "city": ["Rome", "Oslo", "Lima"], "rooms": [2, 3, 4]})
print(model.predict(query))
os.makedirs(sys.argv[1], exist_ok=True)
joblib.dump(model, os.path.join(sys.argv[1], "model.joblib"))
