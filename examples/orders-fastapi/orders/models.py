# SPDX-License-Identifier: MIT
"""What is sold, and who has ordered what."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Numeric, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class VatRate(Base):
    """A country that is delivered to. A migration brings them."""

    __tablename__ = "vat_rates"

    country: Mapped[str] = mapped_column(String(2), primary_key=True)
    percent: Mapped[float] = mapped_column(Numeric(4, 1, asdecimal=False))


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (CheckConstraint("stock >= 0", name="stock_is_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    cents: Mapped[int]
    stock: Mapped[int] = mapped_column(default=0)


class Status(enum.StrEnum):
    OPEN = "open"
    PAID = "paid"
    CANCELLED = "cancelled"


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    country: Mapped[str] = mapped_column(ForeignKey("vat_rates.country"))
    status: Mapped[Status] = mapped_column(
        Enum(Status, name="order_status", values_callable=lambda e: [one.value for one in e]),
        default=Status.OPEN,
    )
    placed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lines: Mapped[list[Line]] = relationship(lazy="selectin", order_by="Line.product_id")
    vat: Mapped[VatRate] = relationship(lazy="selectin")

    @property
    def total_cents(self) -> int:
        net = sum(line.quantity * line.cents for line in self.lines)
        return round(net * (100 + self.vat.percent) / 100)


class Line(Base):
    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int]
    cents: Mapped[int]
    """The price of one when it was ordered."""
