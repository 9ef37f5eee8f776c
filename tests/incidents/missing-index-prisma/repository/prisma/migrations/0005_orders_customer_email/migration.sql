-- AlterTable
ALTER TABLE "orders" ADD COLUMN "customer_email" TEXT;
